#!/bin/sh
# Installs the programs that the tests run, where it may: Debian packages, as root or through sudo without a password.
# Elsewhere it names what is missing; tests without their program are skipped by name (where CI is set, they fail).
# With arguments: only these packages.
set -u

missing=""
while read -r package check; do
    case " ${*:-$package} " in *" $package "*) ;; *) continue ;; esac
    sh -c "$check" >/dev/null 2>&1 </dev/null || missing="$missing $package"
done <<'TABLE'
make            command -v make
git             command -v git
python3-venv    python3 -c 'import ensurepip, venv'
openssh-client  command -v sftp
openssl         command -v openssl
putty-tools     command -v psftp
lftp            command -v lftp
rclone          command -v rclone
curl            command -v curl
sshfs           command -v sshfs
fuse3           command -v fusermount3
rsync           command -v rsync
postgresql      command -v initdb || ls /usr/lib/postgresql/*/bin/initdb
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
