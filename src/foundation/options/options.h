// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace comfy::options {

/// Every setting of both programs with its default. Flag, help and config key of each stand in
/// option_table.cpp; names here are the flags with underscores.
struct Options {
  // Configuration
  std::vector<std::string> config;
  std::string write_out_config_file;

  // Network
  std::string listen = "127.0.0.1";
  int port = 8188;
  std::string tls_keyfile;
  std::string tls_certfile;
  std::string tls_client_ca;
  std::string enable_cors_header;
  double max_upload_size = 100;
  bool enable_compress_response_body = false;
  std::string external_address;
  bool auto_launch = false;
  bool disable_auto_launch = false;
  bool dont_print_server = false;
  bool multi_user = false;

  // Web security
  std::vector<std::string> allowed_host;
  std::vector<std::string> allowed_origin;
  std::vector<std::string> trusted_proxy;
  std::string api_key_file;
  bool authentication = false;
  bool insecure_no_auth = false;
  std::string jwt_key_file;
  std::string jwt_algorithm = "RS256";
  std::string jwt_issuer;
  std::string jwt_audience;
  std::string audit_log;
  std::vector<std::string> allow_fetch_host;
  bool follow_symlinks = false;
  bool disable_pickle = false;
  bool isolate_decoders = false;
  double max_decode_memory = 2048;
  double max_image_text = 16;
  double min_free_space = 1024;

  // Pages
  std::string front_end_version = "comfyanonymous/ComfyUI@latest";
  std::string front_end_root;

  // Logging and start
  std::string verbose = "INFO";
  std::string logging_level;
  bool log_stdout = false;
  bool quick_test_for_ci = false;
  bool windows_standalone_build = false;
  bool disable_metadata = false;
  bool create_directories = false;

  // Nodes
  bool disable_all_custom_nodes = false;
  std::vector<std::string> whitelist_custom_nodes;
  std::vector<std::string> blacklist_custom_nodes;
  bool disable_api_nodes = false;
  std::string comfy_api_base = "https://api.comfy.org";
  std::vector<std::string> plugin_directory;
  bool enable_eval = false;

  // Directories
  std::string cwd;
  std::string base_directory;
  std::vector<std::string> base_paths;
  std::string output_directory;
  std::string input_directory;
  std::string temp_directory;
  std::string user_directory;
  std::vector<std::string> extra_model_paths_config;

  // Devices and precision
  std::vector<std::string> cuda_device;
  std::string default_device;
  bool cuda_malloc = false;
  bool disable_cuda_malloc = false;
  bool force_fp32 = false;
  bool force_fp16 = false;
  bool force_bf16 = false;
  bool fp32_unet = false;
  bool fp64_unet = false;
  bool bf16_unet = false;
  bool fp16_unet = false;
  bool fp8_e4m3fn_unet = false;
  bool fp8_e5m2_unet = false;
  bool fp8_e8m0fnu_unet = false;
  bool fp16_vae = false;
  bool fp32_vae = false;
  bool bf16_vae = false;
  bool cpu_vae = false;
  bool fp8_e4m3fn_text_enc = false;
  bool fp8_e5m2_text_enc = false;
  bool fp16_text_enc = false;
  bool fp32_text_enc = false;
  bool bf16_text_enc = false;
  bool force_channels_last = false;
  std::string directml;
  std::string oneapi_device_selector;
  bool disable_ipex_optimize = false;
  bool supports_fp8_compute = false;
  bool use_split_cross_attention = false;
  bool use_quad_cross_attention = false;
  bool use_pytorch_cross_attention = false;
  bool use_sage_attention = false;
  bool use_flash_attention = false;
  bool disable_xformers = false;
  bool force_upcast_attention = false;
  bool dont_upcast_attention = false;
  bool gpu_only = false;
  bool highvram = false;
  bool normalvram = false;
  bool lowvram = false;
  bool novram = false;
  bool cpu = false;
  double reserve_vram = 0;
  std::string async_offload;
  bool disable_async_offload = false;
  bool disable_pinned_memory = false;
  bool force_non_blocking = false;
  bool disable_smart_memory = false;
  bool deterministic = false;
  std::string fast;
  bool mmap_torch_files = false;
  bool disable_mmap = false;

  // Execution
  std::string preview_method = "none";
  int preview_size = 512;
  bool cache_classic = false;
  int cache_lru = 0;
  bool cache_none = false;
  std::string cache_ram;
  std::string default_hashing_function = "sha256";

  // Jobs
  std::string database_url;
  bool recover_store = false;
  int max_queue_size = 65536;
  int max_queue_per_user = 65536;
  int max_attempts = 3;
  int history_max_jobs = 100000;
  double history_max_bytes = 4294967296;
  double drain_seconds = 25;
  double stall_seconds = 0;
  double cancel_seconds = 60;
  bool start_paused = false;
  std::string workers = "auto";
  std::vector<std::string> workflows;

  // Cluster
  std::string distributed_queue_connection_uri;
  bool distributed_queue_worker = false;
  bool distributed_queue_frontend = false;
  std::string distributed_queue_name = "comfyui";
  double distributed_queue_hold_seconds = 600;
  std::string distributed_protocol = "native";
  int health_port = 0;

  // The fork's telemetry and helpers
  std::string plausible_analytics_base_url;
  std::string plausible_analytics_domain;
  bool analytics_use_identity_provider = false;
  std::string otel_service_name = "comfyui";
  std::string otel_service_version;
  std::string otel_exporter_otlp_endpoint;
  bool force_hf_local_dir_mode = false;
  bool disable_known_models = false;
  bool enable_video_to_image_fallback = false;
  std::vector<std::string> panic_when;
  std::string executor_factory = "ThreadPoolExecutor";
  std::string openai_api_key;
  std::string ideogram_api_key;
  std::string anthropic_api_key;
  bool enable_manager = false;
  bool disable_manager_ui = false;
  bool enable_manager_legacy_ui = false;
  bool block_runtime_package_installation = false;
  bool disable_assets_autoscan = false;
  bool disable_requests_caching = false;

  // Of the worker
  int link_fd = -1;
  bool print_catalogue = false;

  /// Flags that the command line gives, whatever their values: a child process that inherits the
  /// environment and reads the same files needs to hear of them too.
  std::set<std::string, std::less<>> given;
};

}  // namespace comfy::options
