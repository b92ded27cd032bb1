# What `cmake --install` copies: the programs, and libtorch beside them in lib/comfyui. tools/install.sh adds
# the page, the templates and the vocabulary. The result may be moved as a whole.
set_target_properties(comfyui comfyui-worker PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/comfyui")
install(TARGETS comfyui comfyui-worker DESTINATION bin)
file(GLOB openmp "${COMFY_TORCH_ROOT}/lib/libgomp*.so*")
install(PROGRAMS ${COMFY_TORCH_ROOT}/lib/libtorch_cpu.so ${COMFY_TORCH_ROOT}/lib/libc10.so ${openmp} DESTINATION lib/comfyui)
