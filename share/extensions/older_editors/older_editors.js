// SPDX-License-Identifier: GPL-3.0-or-later
//
// Editors before 1.30 take it for granted that the server has every loader of ComfyUI. Where one is
// missing, their table of loaders by model folder breaks, and with it each node that names a
// checkpoint, a LoRA or a VAE. This takes the rows of missing loaders out of that table.
import { app } from "../../scripts/app.js";

function loaders() {
  const page = document.querySelector("#vue-app")?.__vue_app__;
  return page?.config.globalProperties.$pinia?._s.get("modelToNode");
}

app.registerExtension({
  name: "Comfy.Distributed.OlderEditors",
  setup() {
    const store = loaders();
    if (!store?.modelToNodeMap) return;
    store.registerDefaults();
    for (const [folder, nodes] of Object.entries(store.modelToNodeMap)) {
      store.modelToNodeMap[folder] = nodes.filter((node) => node.nodeDef);
    }
  },
});
