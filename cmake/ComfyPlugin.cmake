# comfy_plugin(<name> SOURCES ... [WEB <folder>]) defines a plug-in: <build>/plugins/<name>/<name>.so, beside
# it the scripts of WEB, if there are any, as web/. --plugin-directory <build>/plugins loads it.
#
# Works inside this project and from elsewhere, where it needs COMFY_TORCH_ROOT (see docs/plugins.md):
#   include(<comfyui>/cmake/ComfyPlugin.cmake)
#   comfy_plugin(my_nodes SOURCES my_nodes.cpp)
set(COMFY_PLUGIN_ROOT ${CMAKE_CURRENT_LIST_DIR}/..)
if(NOT TARGET comfy::torch)
  include(${CMAKE_CURRENT_LIST_DIR}/Torch.cmake)
endif()

function(comfy_plugin name)
  cmake_parse_arguments(ARG "" "WEB" "SOURCES" ${ARGN})
  add_library(${name} MODULE ${ARG_SOURCES})
  set(folder ${CMAKE_BINARY_DIR}/plugins/${name})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX .so DEFINE_SYMBOL "" LIBRARY_OUTPUT_DIRECTORY ${folder})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_include_directories(${name} PRIVATE ${COMFY_PLUGIN_ROOT}/include ${COMFY_PLUGIN_ROOT}/src)
  target_link_libraries(${name} PRIVATE comfy::torch)
  # What is loaded as code must not be writable by anybody else, whatever the umask of the build is.
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND chmod go-w ${CMAKE_BINARY_DIR}/plugins ${folder} $<TARGET_FILE:${name}> VERBATIM)
  if(ARG_WEB)
    if(NOT IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_WEB})
      message(FATAL_ERROR "comfy_plugin(${name}): WEB must name a folder of scripts, found none at ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_WEB}")
    endif()
    add_custom_command(TARGET ${name} POST_BUILD
      COMMAND ${CMAKE_COMMAND} -E copy_directory ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_WEB} ${folder}/web
      COMMAND chmod -R go-w ${folder}/web VERBATIM)
  endif()
endfunction()
