# libtorch as an interface target of ours: the include folders and the two libraries we need.
# find_package(Torch) would add definitions and stub libraries that we do not want.
if(COMFY_PARTS STREQUAL "foundation")
  return()
endif()
if(NOT COMFY_TORCH_ROOT)
  message(FATAL_ERROR "COMFY_TORCH_ROOT must name the torch folder of the installed wheel; ./run and ./test set it")
endif()
add_library(comfy_torch INTERFACE)
add_library(comfy::torch ALIAS comfy_torch)
# After the system's folders: the wheel carries another fmt, pybind11 and protobuf among its headers.
target_compile_options(comfy_torch INTERFACE -idirafter ${COMFY_TORCH_ROOT}/include)
target_link_libraries(comfy_torch INTERFACE ${COMFY_TORCH_ROOT}/lib/libtorch_cpu.so ${COMFY_TORCH_ROOT}/lib/libc10.so)
