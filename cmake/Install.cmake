# What `cmake --install` copies: the programs, and libtorch beside them in lib/comfyui. tools/install.sh adds
# the page, the templates and the vocabulary. The result may be moved as a whole.
set_target_properties(comfyui comfyui-worker PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/comfyui")
install(TARGETS comfyui comfyui-worker DESTINATION bin)
file(GLOB openmp "${COMFY_TORCH_ROOT}/lib/libgomp*.so*")
install(PROGRAMS ${COMFY_TORCH_ROOT}/lib/libtorch_cpu.so ${COMFY_TORCH_ROOT}/lib/libc10.so ${openmp} DESTINATION lib/comfyui)
# What a plug-in is compiled against, laid out as here: share/comfyui/plugin/cmake/ComfyPlugin.cmake finds the rest.
set(kit share/comfyui/plugin)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include DESTINATION ${kit})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/foundation ${PROJECT_SOURCE_DIR}/src/inference ${PROJECT_SOURCE_DIR}/src/worker DESTINATION ${kit}/src
  FILES_MATCHING PATTERN *.h PATTERN testing EXCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/ComfyPlugin.cmake ${PROJECT_SOURCE_DIR}/cmake/Torch.cmake DESTINATION ${kit}/cmake)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/plugins/example DESTINATION ${kit}/plugins)
