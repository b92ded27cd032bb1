// SPDX-License-Identifier: GPL-3.0-or-later
// Shows what ExampleMeanColour found as the colour of its title. The server lists this file in /extensions,
// and the page loads it at start.
import { app } from "../../scripts/app.js";

app.registerExtension({
  name: "example.meanColour",
  async beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "ExampleMeanColour") return;
    const onExecuted = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      onExecuted?.apply(this, arguments);
      this.color = message.text?.[0];
      this.setDirtyCanvas(true);
    };
  },
});
