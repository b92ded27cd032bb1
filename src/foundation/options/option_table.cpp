// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/options/option_table.h"

#include "foundation/base/json.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

namespace comfy::options {
namespace {

using enum Standing;

// clang-format off
const Row kRows[] = {
    {.flag = "config", .member = &Options::config, .standing = works, .help = "Reads settings from FILE too (lines \"key = value\", or YAML, or JSON); repeatable.", .environment = "-", .short_flag = "c"},
    {.flag = "write-out-config-file", .member = &Options::write_out_config_file, .standing = works, .help = "Writes every setting in effect to PATH and exits.", .environment = "-"},
    {.flag = "listen", .member = &Options::listen, .standing = works, .help = "Addresses to serve on, separated by commas. Anything but loopback turns authentication on.", .bare = "0.0.0.0,::", .short_flag = "H"},
    {.flag = "port", .member = &Options::port, .standing = works, .help = "The TCP port to serve on."},
    {.flag = "tls-keyfile", .member = &Options::tls_keyfile, .standing = works, .help = "PEM file with the key of the certificate, for HTTPS."},
    {.flag = "tls-certfile", .member = &Options::tls_certfile, .standing = works, .help = "PEM file with the certificate and its chain, for HTTPS."},
    {.flag = "tls-client-ca", .member = &Options::tls_client_ca, .standing = works, .help = "PEM file with the authority that clients' certificates must come from."},
    {.flag = "enable-cors-header", .member = &Options::enable_cors_header, .standing = works, .help = "Lets pages of ORIGIN use the API; without a value those of any origin.", .bare = "*"},
    {.flag = "max-upload-size", .member = &Options::max_upload_size, .standing = works, .help = "Largest request body in megabytes."},
    {.flag = "enable-compress-response-body", .member = &Options::enable_compress_response_body, .standing = works, .help = "Compresses JSON and text answers for clients that accept gzip."},
    {.flag = "external-address", .member = &Options::external_address, .standing = works, .help = "The address under which clients reach this server, for links and for the host check."},
    {.flag = "auto-launch", .member = &Options::auto_launch, .standing = outstanding, .help = "Opens the page in a browser after the start."},
    {.flag = "disable-auto-launch", .member = &Options::disable_auto_launch, .standing = works, .help = "Does not open a browser."},
    {.flag = "dont-print-server", .member = &Options::dont_print_server, .standing = works, .help = "Prints no address at the start."},
    {.flag = "multi-user", .member = &Options::multi_user, .standing = works, .help = "Keeps settings, workflows and pictures apart for each user."},
    {.flag = "allowed-host", .member = &Options::allowed_host, .standing = works, .help = "A host name to answer to besides this machine's own; \".example.org\" with its subdomains; repeatable."},
    {.flag = "allowed-origin", .member = &Options::allowed_origin, .standing = works, .help = "An origin whose pages may use this server, such as https://example.org; repeatable."},
    {.flag = "trusted-proxy", .member = &Options::trusted_proxy, .standing = works, .help = "An address or network (10.0.0.0/8) whose X-Forwarded headers are believed; repeatable."},
    {.flag = "api-key-file", .member = &Options::api_key_file, .standing = works, .help = "File of API keys, one \"name:role:hash\" a line: role read, submit or admin, hash the key's SHA-256. Turns authentication on."},
    {.flag = "authentication", .member = &Options::authentication, .standing = works, .help = "Asks for a key on loopback too; without a file of keys one is made and shown once.", .group = "authentication"},
    {.flag = "insecure-no-auth", .member = &Options::insecure_no_auth, .standing = works, .help = "Serves addresses other than loopback without any authentication.", .group = "authentication"},
    {.flag = "jwt-key-file", .member = &Options::jwt_key_file, .standing = works, .help = "File with the public key (PEM) or secret of JSON Web Tokens to accept. Turns authentication on."},
    {.flag = "jwt-algorithm", .member = &Options::jwt_algorithm, .standing = works, .help = "How those tokens are signed; no other way is accepted.", .choices = "HS256|RS256|ES256"},
    {.flag = "jwt-issuer", .member = &Options::jwt_issuer, .standing = works, .help = "The issuer (iss) those tokens must name."},
    {.flag = "jwt-audience", .member = &Options::jwt_audience, .standing = works, .help = "The audience (aud) those tokens must name."},
    {.flag = "audit-log", .member = &Options::audit_log, .standing = works, .help = "File for one JSON line about each refused key, page and path and each call of an administrator; without it they go to the log."},
    {.flag = "allow-fetch-host", .member = &Options::allow_fetch_host, .standing = outstanding, .help = "A host from which nodes may download; repeatable."},
    {.flag = "follow-symlinks", .member = &Options::follow_symlinks, .standing = works, .help = "Follows symbolic links below the input, output and user folders too."},
    {.flag = "disable-pickle", .member = &Options::disable_pickle, .standing = works, .help = "Refuses .ckpt, .pt, .pth, .bin and .pkl files."},
    {.flag = "isolate-decoders", .member = &Options::isolate_decoders, .standing = refused, .help = "Decodes pictures in a process of its own."},
    {.flag = "max-decode-memory", .member = &Options::max_decode_memory, .standing = works, .help = "Largest decoded picture in megabytes."},
    {.flag = "max-image-text", .member = &Options::max_image_text, .standing = works, .help = "Largest text inside a picture in megabytes."},
    {.flag = "min-free-space", .member = &Options::min_free_space, .standing = works, .help = "Uploads are refused below this many free megabytes."},
    {.flag = "front-end-version", .member = &Options::front_end_version, .standing = ignored, .help = "Which release of the page to use; the installed one is always used here."},
    {.flag = "front-end-root", .member = &Options::front_end_root, .standing = works, .help = "Folder of the page to serve in place of the installed one."},
    {.flag = "verbose", .member = &Options::verbose, .standing = works, .help = "Least level to log; without a value DEBUG.", .bare = "DEBUG", .choices = "DEBUG|INFO|WARNING|ERROR|CRITICAL"},
    {.flag = "logging-level", .member = &Options::logging_level, .standing = works, .help = "The same as --verbose."},
    {.flag = "log-stdout", .member = &Options::log_stdout, .standing = works, .help = "Logs to standard output, errors still to standard error."},
    {.flag = "quick-test-for-ci", .member = &Options::quick_test_for_ci, .standing = works, .help = "Starts, checks that everything is in place and exits."},
    {.flag = "windows-standalone-build", .member = &Options::windows_standalone_build, .standing = ignored, .help = "A convenience of the Windows package."},
    {.flag = "disable-metadata", .member = &Options::disable_metadata, .standing = works, .help = "Saves files without the prompt and workflow inside."},
    {.flag = "create-directories", .member = &Options::create_directories, .standing = works, .help = "Makes the models, input, output, temp and user folders and exits."},
    {.flag = "disable-all-custom-nodes", .member = &Options::disable_all_custom_nodes, .standing = works, .help = "Loads no plug-ins."},
    {.flag = "whitelist-custom-nodes", .member = &Options::whitelist_custom_nodes, .standing = works, .help = "Plug-ins to load in spite of --disable-all-custom-nodes."},
    {.flag = "blacklist-custom-nodes", .member = &Options::blacklist_custom_nodes, .standing = works, .help = "Plug-ins never to load."},
    {.flag = "disable-api-nodes", .member = &Options::disable_api_nodes, .standing = ignored, .help = "This program has no nodes that call a paid service."},
    {.flag = "comfy-api-base", .member = &Options::comfy_api_base, .standing = ignored, .help = "Address of the paid service."},
    {.flag = "plugin-directory", .member = &Options::plugin_directory, .standing = works, .help = "Folder of plug-ins to load; repeatable."},
    {.flag = "enable-eval", .member = &Options::enable_eval, .standing = ignored, .help = "No node of this program evaluates code."},
    {.flag = "cwd", .member = &Options::cwd, .standing = works, .help = "Base folder of models, input, output, temp, user and custom_nodes; made when missing.", .short_flag = "w"},
    {.flag = "base-directory", .member = &Options::base_directory, .standing = works, .help = "The same as --cwd."},
    {.flag = "base-paths", .member = &Options::base_paths, .standing = outstanding, .help = "Further base folders to search for models."},
    {.flag = "output-directory", .member = &Options::output_directory, .standing = works, .help = "Folder of the results."},
    {.flag = "input-directory", .member = &Options::input_directory, .standing = works, .help = "Folder of the uploads."},
    {.flag = "temp-directory", .member = &Options::temp_directory, .standing = works, .help = "Folder in which the folder \"temp\" is made."},
    {.flag = "user-directory", .member = &Options::user_directory, .standing = works, .help = "Folder of settings, saved workflows and the job store."},
    {.flag = "extra-model-paths-config", .member = &Options::extra_model_paths_config, .standing = works, .help = "YAML file that lists further model folders; repeatable."},
    {.flag = "cuda-device", .member = &Options::cuda_device, .standing = outstanding, .help = "Use only this GPU; repeatable."},
    {.flag = "default-device", .member = &Options::default_device, .standing = outstanding, .help = "Use this GPU first."},
    {.flag = "cuda-malloc", .member = &Options::cuda_malloc, .standing = ignored, .help = "Asynchronous CUDA allocator.", .group = "cuda-malloc"},
    {.flag = "disable-cuda-malloc", .member = &Options::disable_cuda_malloc, .standing = ignored, .help = "The plain CUDA allocator.", .group = "cuda-malloc"},
    {.flag = "force-fp32", .member = &Options::force_fp32, .standing = works, .help = "Computes everything in float32.", .group = "force precision"},
    {.flag = "force-fp16", .member = &Options::force_fp16, .standing = outstanding, .help = "Computes everything in float16.", .group = "force precision"},
    {.flag = "force-bf16", .member = &Options::force_bf16, .standing = outstanding, .help = "Computes everything in bfloat16.", .group = "force precision"},
    {.flag = "fp32-unet", .member = &Options::fp32_unet, .standing = works, .help = "Runs the diffusion network in float32.", .group = "network precision"},
    {.flag = "fp64-unet", .member = &Options::fp64_unet, .standing = outstanding, .help = "Runs the diffusion network in float64.", .group = "network precision"},
    {.flag = "bf16-unet", .member = &Options::bf16_unet, .standing = outstanding, .help = "Runs the diffusion network in bfloat16.", .group = "network precision"},
    {.flag = "fp16-unet", .member = &Options::fp16_unet, .standing = outstanding, .help = "Runs the diffusion network in float16.", .group = "network precision"},
    {.flag = "fp8_e4m3fn-unet", .member = &Options::fp8_e4m3fn_unet, .standing = outstanding, .help = "Runs the diffusion network in float8 e4m3fn.", .group = "network precision"},
    {.flag = "fp8_e5m2-unet", .member = &Options::fp8_e5m2_unet, .standing = outstanding, .help = "Runs the diffusion network in float8 e5m2.", .group = "network precision"},
    {.flag = "fp8_e8m0fnu-unet", .member = &Options::fp8_e8m0fnu_unet, .standing = outstanding, .help = "Runs the diffusion network in float8 e8m0fnu.", .group = "network precision"},
    {.flag = "fp16-vae", .member = &Options::fp16_vae, .standing = outstanding, .help = "Runs the autoencoder in float16.", .group = "autoencoder precision"},
    {.flag = "fp32-vae", .member = &Options::fp32_vae, .standing = works, .help = "Runs the autoencoder in float32.", .group = "autoencoder precision"},
    {.flag = "bf16-vae", .member = &Options::bf16_vae, .standing = outstanding, .help = "Runs the autoencoder in bfloat16.", .group = "autoencoder precision"},
    {.flag = "cpu-vae", .member = &Options::cpu_vae, .standing = ignored, .help = "Runs the autoencoder on the CPU."},
    {.flag = "fp8_e4m3fn-text-enc", .member = &Options::fp8_e4m3fn_text_enc, .standing = outstanding, .help = "Keeps text encoders in float8 e4m3fn.", .group = "text encoder precision"},
    {.flag = "fp8_e5m2-text-enc", .member = &Options::fp8_e5m2_text_enc, .standing = outstanding, .help = "Keeps text encoders in float8 e5m2.", .group = "text encoder precision"},
    {.flag = "fp16-text-enc", .member = &Options::fp16_text_enc, .standing = works, .help = "Keeps text encoders in float16.", .group = "text encoder precision"},
    {.flag = "fp32-text-enc", .member = &Options::fp32_text_enc, .standing = works, .help = "Keeps text encoders in float32.", .group = "text encoder precision"},
    {.flag = "bf16-text-enc", .member = &Options::bf16_text_enc, .standing = outstanding, .help = "Keeps text encoders in bfloat16.", .group = "text encoder precision"},
    {.flag = "force-channels-last", .member = &Options::force_channels_last, .standing = ignored, .help = "Layouts are chosen by measurement here."},
    {.flag = "directml", .member = &Options::directml, .standing = ignored, .help = "DirectML device.", .bare = "-1"},
    {.flag = "oneapi-device-selector", .member = &Options::oneapi_device_selector, .standing = ignored, .help = "Intel oneAPI device.", .environment = "ONEAPI_DEVICE_SELECTOR"},
    {.flag = "disable-ipex-optimize", .member = &Options::disable_ipex_optimize, .standing = ignored, .help = "Intel extension for PyTorch."},
    {.flag = "supports-fp8-compute", .member = &Options::supports_fp8_compute, .standing = ignored, .help = "Claims float8 arithmetic."},
    {.flag = "use-split-cross-attention", .member = &Options::use_split_cross_attention, .standing = ignored, .help = "The fastest attention is chosen by itself.", .group = "attention"},
    {.flag = "use-quad-cross-attention", .member = &Options::use_quad_cross_attention, .standing = ignored, .help = "The fastest attention is chosen by itself.", .group = "attention"},
    {.flag = "use-pytorch-cross-attention", .member = &Options::use_pytorch_cross_attention, .standing = ignored, .help = "The fastest attention is chosen by itself.", .group = "attention"},
    {.flag = "use-sage-attention", .member = &Options::use_sage_attention, .standing = ignored, .help = "The fastest attention is chosen by itself.", .group = "attention"},
    {.flag = "use-flash-attention", .member = &Options::use_flash_attention, .standing = ignored, .help = "The fastest attention is chosen by itself.", .group = "attention"},
    {.flag = "disable-xformers", .member = &Options::disable_xformers, .standing = ignored, .help = "There is no xformers here."},
    {.flag = "force-upcast-attention", .member = &Options::force_upcast_attention, .standing = ignored, .help = "Attention is computed in float32 on the CPU.", .group = "attention precision"},
    {.flag = "dont-upcast-attention", .member = &Options::dont_upcast_attention, .standing = ignored, .help = "Attention is computed in float32 on the CPU.", .group = "attention precision"},
    {.flag = "gpu-only", .member = &Options::gpu_only, .standing = outstanding, .help = "How GPU memory is used.", .group = "memory"},
    {.flag = "highvram", .member = &Options::highvram, .standing = outstanding, .help = "How GPU memory is used.", .group = "memory"},
    {.flag = "normalvram", .member = &Options::normalvram, .standing = outstanding, .help = "How GPU memory is used.", .group = "memory"},
    {.flag = "lowvram", .member = &Options::lowvram, .standing = outstanding, .help = "How GPU memory is used.", .group = "memory"},
    {.flag = "novram", .member = &Options::novram, .standing = outstanding, .help = "How GPU memory is used.", .group = "memory"},
    {.flag = "cpu", .member = &Options::cpu, .standing = works, .help = "Computes on the CPU.", .group = "memory"},
    {.flag = "reserve-vram", .member = &Options::reserve_vram, .standing = outstanding, .help = "GPU memory in GB to leave to other programs."},
    {.flag = "async-offload", .member = &Options::async_offload, .standing = outstanding, .help = "Moves weights while computing.", .bare = "2"},
    {.flag = "disable-async-offload", .member = &Options::disable_async_offload, .standing = ignored, .help = "How weights are moved to a GPU."},
    {.flag = "disable-pinned-memory", .member = &Options::disable_pinned_memory, .standing = ignored, .help = "How weights are moved to a GPU."},
    {.flag = "force-non-blocking", .member = &Options::force_non_blocking, .standing = ignored, .help = "How weights are moved to a GPU."},
    {.flag = "disable-smart-memory", .member = &Options::disable_smart_memory, .standing = works, .help = "Drops all models after every prompt."},
    {.flag = "deterministic", .member = &Options::deterministic, .standing = works, .help = "Uses deterministic kernels."},
    {.flag = "fast", .member = &Options::fast, .standing = outstanding, .help = "Faster arithmetic that may change pictures: fp16_accumulation, fp8_matrix_mult, cublas_ops, autotune.", .bare = "all"},
    {.flag = "mmap-torch-files", .member = &Options::mmap_torch_files, .standing = works, .help = "Maps .ckpt and .pt files; always done here."},
    {.flag = "disable-mmap", .member = &Options::disable_mmap, .standing = ignored, .help = "Files are always mapped here."},
    {.flag = "preview-method", .member = &Options::preview_method, .standing = works, .help = "Pictures while sampling.", .choices = "none|auto|latent2rgb|taesd"},
    {.flag = "preview-size", .member = &Options::preview_size, .standing = works, .help = "Side of the previews in pixels."},
    {.flag = "cache-classic", .member = &Options::cache_classic, .standing = works, .help = "Keeps the outputs of the last prompt (the default).", .group = "cache"},
    {.flag = "cache-lru", .member = &Options::cache_lru, .standing = works, .help = "Keeps the outputs of up to N nodes, the least recently used dropped first.", .group = "cache"},
    {.flag = "cache-none", .member = &Options::cache_none, .standing = works, .help = "Keeps no outputs.", .group = "cache"},
    {.flag = "cache-ram", .member = &Options::cache_ram, .standing = works, .help = "Keeps outputs while this many GB of memory are free.", .bare = "4.0", .group = "cache"},
    {.flag = "default-hashing-function", .member = &Options::default_hashing_function, .standing = works, .help = "How uploads are compared.", .choices = "md5|sha1|sha256|sha512"},
    {.flag = "database-url", .member = &Options::database_url, .standing = works, .help = "Where jobs are kept: sqlite:///PATH.", .secret = true},
    {.flag = "recover-store", .member = &Options::recover_store, .standing = works, .help = "Rescues what it can of a damaged job store and exits."},
    {.flag = "max-queue-size", .member = &Options::max_queue_size, .standing = works, .help = "Prompts that may wait."},
    {.flag = "max-queue-per-user", .member = &Options::max_queue_per_user, .standing = works, .help = "Prompts of one user that may wait."},
    {.flag = "max-attempts", .member = &Options::max_attempts, .standing = works, .help = "How often a prompt is tried when workers die."},
    {.flag = "history-max-jobs", .member = &Options::history_max_jobs, .standing = works, .help = "Finished prompts that are kept."},
    {.flag = "history-max-bytes", .member = &Options::history_max_bytes, .standing = works, .help = "Bytes of finished prompts that are kept."},
    {.flag = "drain-seconds", .member = &Options::drain_seconds, .standing = works, .help = "How long a stop waits for the running prompt."},
    {.flag = "stall-seconds", .member = &Options::stall_seconds, .standing = works, .help = "A worker without progress for this long counts as lost; 0 = never."},
    {.flag = "cancel-seconds", .member = &Options::cancel_seconds, .standing = works, .help = "A worker that does not react to a cancel for this long is ended."},
    {.flag = "start-paused", .member = &Options::start_paused, .standing = works, .help = "Accepts prompts and runs none until resumed."},
    {.flag = "workers", .member = &Options::workers, .standing = works, .help = "Worker processes on this machine: a number, or auto."},
    {.flag = "workflows", .member = &Options::workflows, .standing = outstanding, .help = "Workflow files to run without a server."},
    {.flag = "distributed-queue-connection-uri", .member = &Options::distributed_queue_connection_uri, .standing = works, .help = "RabbitMQ to share work through, amqp://user:password@host; of several nodes all, with commas between.", .secret = true},
    {.flag = "distributed-queue-worker", .member = &Options::distributed_queue_worker, .standing = works, .help = "comfyui-worker: takes work from RabbitMQ, as it does whenever it is given an address."},
    {.flag = "distributed-queue-frontend", .member = &Options::distributed_queue_frontend, .standing = works, .help = "Gives work to RabbitMQ, and starts no worker."},
    {.flag = "distributed-queue-name", .member = &Options::distributed_queue_name, .standing = works, .help = "Name of the shared queue."},
    {.flag = "distributed-queue-hold-seconds", .member = &Options::distributed_queue_hold_seconds, .standing = works, .help = "comfyui-worker: how long a running prompt is held at the broker, for a quick takeover; less than the broker's consumer_timeout."},
    {.flag = "distributed-protocol", .member = &Options::distributed_protocol, .standing = outstanding, .help = "How to speak over RabbitMQ.", .choices = "native|legacy|both"},
    {.flag = "health-port", .member = &Options::health_port, .standing = works, .help = "comfyui-worker: port of /healthz and /readyz, on the addresses of --listen; 0 is none."},
    {.flag = "plausible-analytics-base-url", .member = &Options::plausible_analytics_base_url, .standing = ignored, .help = "This program sends no telemetry."},
    {.flag = "plausible-analytics-domain", .member = &Options::plausible_analytics_domain, .standing = ignored, .help = "This program sends no telemetry."},
    {.flag = "analytics-use-identity-provider", .member = &Options::analytics_use_identity_provider, .standing = ignored, .help = "This program sends no telemetry."},
    {.flag = "otel-service-name", .member = &Options::otel_service_name, .standing = outstanding, .help = "Name in traces.", .environment = "OTEL_SERVICE_NAME"},
    {.flag = "otel-service-version", .member = &Options::otel_service_version, .standing = outstanding, .help = "Version in traces.", .environment = "OTEL_SERVICE_VERSION"},
    {.flag = "otel-exporter-otlp-endpoint", .member = &Options::otel_exporter_otlp_endpoint, .standing = outstanding, .help = "Where traces go.", .environment = "OTEL_EXPORTER_OTLP_ENDPOINT"},
    {.flag = "force-hf-local-dir-mode", .member = &Options::force_hf_local_dir_mode, .standing = ignored, .help = "This program downloads no models by itself."},
    {.flag = "disable-known-models", .member = &Options::disable_known_models, .standing = ignored, .help = "This program downloads no models by itself."},
    {.flag = "enable-video-to-image-fallback", .member = &Options::enable_video_to_image_fallback, .standing = ignored, .help = "Of the Python fork."},
    {.flag = "panic-when", .member = &Options::panic_when, .standing = ignored, .help = "Of the Python fork."},
    {.flag = "executor-factory", .member = &Options::executor_factory, .standing = ignored, .help = "Of the Python fork."},
    {.flag = "openai-api-key", .member = &Options::openai_api_key, .standing = ignored, .help = "This program calls no such service.", .environment = "OPENAI_API_KEY", .secret = true},
    {.flag = "ideogram-api-key", .member = &Options::ideogram_api_key, .standing = ignored, .help = "This program calls no such service.", .environment = "IDEOGRAM_API_KEY", .secret = true},
    {.flag = "anthropic-api-key", .member = &Options::anthropic_api_key, .standing = ignored, .help = "This program calls no such service.", .environment = "ANTHROPIC_API_KEY", .secret = true},
    {.flag = "enable-manager", .member = &Options::enable_manager, .standing = ignored, .help = "The manager installs Python nodes."},
    {.flag = "disable-manager-ui", .member = &Options::disable_manager_ui, .standing = ignored, .help = "The manager installs Python nodes."},
    {.flag = "enable-manager-legacy-ui", .member = &Options::enable_manager_legacy_ui, .standing = ignored, .help = "The manager installs Python nodes."},
    {.flag = "block-runtime-package-installation", .member = &Options::block_runtime_package_installation, .standing = ignored, .help = "Of the Python fork."},
    {.flag = "disable-assets-autoscan", .member = &Options::disable_assets_autoscan, .standing = ignored, .help = "Of the Python fork."},
    {.flag = "disable-requests-caching", .member = &Options::disable_requests_caching, .standing = ignored, .help = "Of the Python fork."},
    {.flag = "link-fd", .member = &Options::link_fd, .standing = works, .help = "Descriptor of the socket to the server that started this worker.", .environment = "-"},
    {.flag = "print-catalogue", .member = &Options::print_catalogue, .standing = works, .help = "Prints the definitions of all nodes as JSON and exits.", .environment = "-"},
};
// clang-format on

}  // namespace

std::span<const Row> option_table() { return kRows; }

const Row* find_row(std::string_view flag) {
  for (const Row& row : kRows)
    if (row.flag == flag) return &row;
  return nullptr;
}

std::string environment_name(const Row& row) {
  if (row.environment == "-") return {};
  if (!row.environment.empty()) return std::string{row.environment};
  std::string name = "COMFYUI_";
  for (const char c : row.flag)
    name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string value_text(const Row& row, const Options& options) {
  return std::visit(
      [&](auto member) -> std::string {
        const auto& value = options.*member;
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, bool>) return value ? "true" : "false";
        if constexpr (std::is_same_v<Value, int>) return std::to_string(value);
        if constexpr (std::is_same_v<Value, double>) return fmt::format("{}", value);
        if constexpr (std::is_same_v<Value, std::string>) return value;
        if constexpr (std::is_same_v<Value, std::vector<std::string>>)
          return to_json(Json::array(value));
      },
      row.member);
}

}  // namespace comfy::options
