# SPDX-License-Identifier: GPL-3.0-or-later
"""A training run that can be cut off at any moment and goes on from its last saved state."""
import math
import os
import time

import torch


class Run:
    """Counts steps and training time, sets the learning rate, saves and restores.

    The rate rises over the first 2 % of the time and falls as half a cosine to a fiftieth.
    """

    SAVE_EVERY = 120  # seconds

    def __init__(self, path, model, optimizer, seconds, max_steps=None):
        self.path, self.model, self.optimizer = path, model, optimizer
        self.seconds, self.max_steps = seconds, max_steps
        self.step, self.spent, self.average = 0, 0.0, None
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.smooth = {name: value.clone() for name, value in model.state_dict().items()}
        if path.exists():
            state = torch.load(path, weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self.smooth, self.step, self.spent = state["smooth"], state["step"], state["spent"]
            self.average = state["average"]
            torch.set_rng_state(state["random"])
        self._last = self._saved = time.monotonic()

    def going(self):
        """True while there is time left; call it once before every step."""
        now = time.monotonic()
        self.spent += now - self._last
        self._last = now
        share = self.spent / self.seconds
        over = share >= 1 or (self.max_steps is not None and self.step >= self.max_steps)
        if over or now - self._saved > self.SAVE_EVERY:
            self.save()
        factor = min(1.0, share / 0.02) * (0.02 + 0.49 * (1 + math.cos(math.pi * min(share, 1.0))))
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * factor
        return not over

    def took(self, loss, decay):
        """Counts a step and moves the smoothed weights; decay: how much of them stays."""
        self.step += 1
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.smooth[name].lerp_(value, 1 - decay)
        self.average = loss if self.average is None else 0.99 * self.average + 0.01 * loss
        if self.step % 100 == 0:
            print(f"{self.path.stem}: step {self.step}, {self.spent / 60:.1f} of "
                  f"{self.seconds / 60:.0f} minutes, loss {self.average:.4f}", flush=True)

    def save(self):
        part = self.path.with_suffix(".part")
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "smooth": self.smooth, "step": self.step, "spent": self.spent,
                    "average": self.average, "random": torch.get_rng_state()}, part)
        os.replace(part, self.path)
        self._saved = time.monotonic()
