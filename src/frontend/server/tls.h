// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/channel.h"
#include "frontend/server/settings.h"

namespace comfy::server {

/// A context for TLS 1.2 and later with the certificate, its key and perhaps the authority that
/// clients' certificates must come from. Null when the settings name no files. Throws
/// Error(invalid_input) naming the file that cannot be used.
Channel::TlsContext make_tls_context(const TlsFiles& files);

}  // namespace comfy::server
