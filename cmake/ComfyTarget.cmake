# comfy_library(<name> SOURCES ... HEADERS ... [DEPS ...]) defines one layer of the program: a static
# library comfy::<name> with the house flags. DEPS are the layers it may include (tools/check_layers.py
# holds it to that) and the libraries it links.
function(comfy_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;DEPS" ${ARGN})
  add_library(comfy_${name} STATIC ${ARG_SOURCES})
  add_library(comfy::${name} ALIAS comfy_${name})
  target_sources(comfy_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${ARG_HEADERS})
  set_target_properties(comfy_${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  target_link_libraries(comfy_${name} PUBLIC comfy_build_flags ${ARG_DEPS})
endfunction()

# comfy_test(<name> SOURCES ... [DEPS ...] [LABEL unit]) defines one GoogleTest program <name>_test.
# It runs in the source folder's root, with the recorded data folder in COMFY_SHARED when there is one.
function(comfy_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE comfy_build_flags ${ARG_DEPS} GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name}_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT 600)
endfunction()

add_library(comfy_build_flags INTERFACE)
target_compile_features(comfy_build_flags INTERFACE cxx_std_20)
target_include_directories(comfy_build_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(comfy_build_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                              $<$<BOOL:${COMFY_WERROR}>:-Werror>)
target_compile_definitions(comfy_build_flags INTERFACE _GLIBCXX_ASSERTIONS)
# Tables that the loader has filled in are read-only from then on (all code is position independent).
target_link_options(comfy_build_flags INTERFACE -Wl,-z,relro,-z,now)
# Buffers whose size the compiler knows, return addresses and jump targets are checked while running. Sanitizers check
# more, and in their own way.
if(NOT COMFY_SANITIZE AND NOT COMFY_HARDEN STREQUAL "none")
  set(COMFY_HARDENING -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND COMFY_HARDENING -fcf-protection)
  endif()
endif()
if(COMFY_SANITIZE)
  target_compile_options(comfy_build_flags INTERFACE -fsanitize=${COMFY_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(comfy_build_flags INTERFACE -fsanitize=${COMFY_SANITIZE})
endif()
find_program(COMFY_MOLD mold)
if(COMFY_MOLD)
  target_link_options(comfy_build_flags INTERFACE -fuse-ld=mold)
endif()

# comfy_host_plugins(<program>) lets plug-ins find the functions of include/comfy in a program that loads them:
# all of them, also those that the program itself does not call.
function(comfy_host_plugins program)
  set(offered comfy_base comfy_graph comfy_tensor comfy_engine comfy_nodes)
  list(JOIN offered "," names)
  set_target_properties(${program} PROPERTIES ENABLE_EXPORTS ON LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,${names}")
  target_link_libraries(${program} PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,${names}>")
endfunction()
