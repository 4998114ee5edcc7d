# ruleid: ruby-script
system("curl -sfL https://get.k3s.io | sh -")
# ruleid: ruby-script
config.vm.provision "shell", inline: "curl -sfL https://get.k3s.io | sh -"
# ruleid: ruby-script
SCRIPT = <<~SHELL
  curl -sfL https://get.k3s.io | K3S_TOKEN=#{token} sh -
SHELL
# ok: ruby-script
puts "curl -sfL https://get.k3s.io | sh -"
# ok: ruby-script
name = "k3s server"

# ok: ruby-script
warn("run curl -sfL https://get.k3s.io | sh -s - server")
# ok: ruby-script
logger.info("run curl -sfL https://get.k3s.io | sh -s - server")
