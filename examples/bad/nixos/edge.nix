{ config, lib, ... }:
{
  services.k3s = {
    enable = true;
    role = "agent";
    serverAddr = "https://edge.example.net:6443";
    token = "e85a1c60b7f9234d";
    extraFlags = toString [
      "--node-label zone=${config.networking.domain}"
      "--disable traefik" # served elsewhere
    ];
  };
}
