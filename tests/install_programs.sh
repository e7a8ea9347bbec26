#!/bin/sh
# Installs the programs that the tests run, where it may: Debian packages, as root or through sudo without a password.
# Elsewhere it names what is missing; tests without their program are skipped by name (where CI is set, they fail).
# With arguments: only these packages, or all that `bench` needs (`make bench` measures the servers that are there).
set -u

missing=""
while read -r group package check; do
    case " ${*:-tests} " in *" $package "* | *" $group "*) ;; *) continue ;; esac
    sh -c "$check" >/dev/null 2>&1 </dev/null || missing="$missing $package"
done <<'TABLE'
tests  make                command -v make
tests  git                 command -v git
tests  python3-venv        python3 -c 'import ensurepip, venv'
tests  openssh-client      command -v sftp
tests  openssl             command -v openssl
tests  putty-tools         command -v psftp
tests  lftp                command -v lftp
tests  rclone              command -v rclone
tests  curl                command -v curl
tests  sshfs               command -v sshfs
tests  fuse3               command -v fusermount3
tests  rsync               command -v rsync
tests  bubblewrap          command -v bwrap
tests  postgresql          command -v initdb || ls /usr/lib/postgresql/*/bin/initdb
bench  openssh-client      command -v sftp
bench  openssh-server      test -x /usr/sbin/sshd
bench  rclone              command -v rclone
bench  proftpd-core        test -x /usr/sbin/proftpd
bench  proftpd-mod-crypto  test -e /usr/lib/proftpd/mod_sftp.so
TABLE
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing (by the names of Debian's packages):$missing" >&2
    exit 0
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "missing, and only root may install it: apt-get install$missing" >&2
    exit 0
fi
echo "installing:$missing" >&2
{
    $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
} >&2 </dev/null || echo "apt-get failed; still missing some of:$missing" >&2
exit 0
