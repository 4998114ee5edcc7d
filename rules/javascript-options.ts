// ruleid: javascript-options
const options = ["--cluster-init", "--disable=traefik"];
// ruleid: javascript-options
config.ADDITIONAL_ARGS += ` --flannel-iface ${name}`;
// ok: javascript-options
const other = ["--cluster-cidr", cidr];
// ok: javascript-options
const given = line.includes("--cluster-init");
