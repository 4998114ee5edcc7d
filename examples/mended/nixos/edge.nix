{ config, lib, ... }:
{
  services.k3s = {
    enable = true;
    role = "agent";
    serverAddr = "https://edge.example.net:6443";
    tokenFile = config.age.secrets.k3s.path;
    extraFlags = toString [
      "--node-label zone=${config.networking.domain}"
    ];
  };
}
