// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace comfy {

/// Has the threads of workers sleep when they have waited some microseconds for each other, in the
/// environment of this process and of those it starts; the OpenMP library reads it while it is
/// loaded. False when the user has chosen (OMP_WAIT_POLICY or GOMP_SPINCOUNT is set).
///
/// Left alone they spin for milliseconds. Where another program holds a core, a thread then spins
/// out the time slice that the one it waits for would need: with one of two cores taken, a step of
/// SD1.5 took four times as long, and one of a small network 43 times.
bool set_thread_policy();

}  // namespace comfy
