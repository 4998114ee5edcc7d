// ruleid: javascript-script
const install = "curl -sfL https://get.k3s.io | sh -";
new Server("first", {
  // ruleid: javascript-script
  userData: `#!/bin/sh
curl -sfL https://get.k3s.io | K3S_TOKEN=${token} sh -`,
});
// ruleid: javascript-script
const user = pulumi.interpolate`#!/bin/sh
k3s server --token ${token}
`;
// ok: javascript-script
console.log("curl -sfL https://get.k3s.io | sh -");
// ok: javascript-script
const title = "k3s server";

// ok: javascript-script
vscode.window.showInformationMessage("run curl -sfL https://get.k3s.io | sh -s - server");
// ok: javascript-script
assertEquals(made, "curl -sfL https://get.k3s.io | sh -s - server");
// ok: javascript-script
expect(made).toBe("curl -sfL https://get.k3s.io | sh -s - server");
