# Servers for the tests of artifact stores, each on a free port of loopback: sourced by .ci/run.
#
# S3 (moto) and SFTP (asyncssh) come with the `test` extra and are started by the tests themselves. Here:
# Azure by azurite (npm), Google by gcp-storage-emulator (pip, in an environment of its own), WebDAV by nginx
# (apt, as root). Sets ZENCACHE_TEST_AZURE, ZENCACHE_TEST_GCS and ZENCACHE_TEST_WEBDAV unless they are set, and
# says loudly which tests a run goes without. `stop_artifact_servers` ends what was started.

artifact_server_pids=()

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

without() { printf '!! WITHOUT %s: %s. Its tests are skipped.\n' "$1" "$2"; }

answers() { # URL: whether anything at all is said there, within 30 s
    python3 - "$1" <<'PYTHON'
import sys, time, urllib.error, urllib.request

for _ in range(150):
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5)
    except urllib.error.HTTPError:
        break
    except OSError:
        time.sleep(0.2)
    else:
        break
else:
    sys.exit(1)
PYTHON
}

start_azurite() { # FOLDER SCRATCH
    local port
    command -v npm >/dev/null || { without Azure "npm is not there"; return; }
    [ -x "$1/node_modules/.bin/azurite-blob" ] ||
        { mkdir -p "$1" && npm install --prefix "$1" --no-audit --no-fund --silent azurite >/dev/null 2>&1; } ||
        { without Azure "npm could not install azurite"; return; }
    port="$(free_port)"
    "$1/node_modules/.bin/azurite-blob" --silent --disableTelemetry --skipApiVersionCheck --inMemoryPersistence \
        --blobPort "$port" >"$2/azurite.log" 2>&1 &
    artifact_server_pids+=("$!")
    answers "http://127.0.0.1:$port/" || { without Azure "azurite does not answer"; return; }
    export ZENCACHE_TEST_AZURE="http://127.0.0.1:$port/devstoreaccount1"
}

start_gcs() { # FOLDER SCRATCH
    local port
    [ -x "$1/bin/gcp-storage-emulator" ] ||
        { python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check gcp-storage-emulator >/dev/null 2>&1; } ||
        { without "Google Cloud Storage" "pip could not install gcp-storage-emulator"; return; }
    port="$(free_port)"
    "$1/bin/gcp-storage-emulator" start --host=127.0.0.1 --port="$port" --in-memory >"$2/gcs.log" 2>&1 &
    artifact_server_pids+=("$!")
    answers "http://127.0.0.1:$port/" || { without "Google Cloud Storage" "the emulator does not answer"; return; }
    export ZENCACHE_TEST_GCS="http://127.0.0.1:$port"
}

start_webdav() { # SCRATCH
    local port module=/usr/lib/nginx/modules/ngx_http_dav_ext_module.so
    if [ ! -e "$module" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-extras >/dev/null 2>&1 || true
    fi
    { command -v nginx >/dev/null && [ -e "$module" ]; } || { without WebDAV "nginx-extras is not there"; return; }
    port="$(free_port)"
    mkdir -p "$1/webdav/data"
    cat >"$1/webdav/nginx.conf" <<NGINX
load_module $module;
$([ "$(id -u)" = 0 ] && echo "user root;")
daemon off;
pid $1/webdav/pid;
error_log $1/webdav/error.log;
events {}
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path $1/webdav/uploads;
    server {
        listen 127.0.0.1:$port;
        location / {
            root $1/webdav/data;
            dav_methods PUT DELETE MKCOL COPY MOVE;
            dav_ext_methods PROPFIND OPTIONS;
            create_full_put_path on;
        }
    }
}
NGINX
    nginx -e "$1/webdav/error.log" -c "$1/webdav/nginx.conf" >/dev/null 2>&1 &
    artifact_server_pids+=("$!")
    answers "http://127.0.0.1:$port/" || { without WebDAV "nginx does not answer"; return; }
    export ZENCACHE_TEST_WEBDAV="http://127.0.0.1:$port"
}

start_artifact_servers() { # SCRATCH
    [ -n "${ZENCACHE_TEST_AZURE:-}" ] || start_azurite "$PWD/.venv/azurite" "$1"
    [ -n "${ZENCACHE_TEST_GCS:-}" ] || start_gcs "$PWD/.venv/gcs-emulator" "$1"
    [ -n "${ZENCACHE_TEST_WEBDAV:-}" ] || start_webdav "$1"
    echo "S3: ${ZENCACHE_TEST_S3:-moto, started by the tests}"
    echo "SFTP: asyncssh, started by the tests"
    echo "Azure: ${ZENCACHE_TEST_AZURE:-none}"
    echo "Google Cloud Storage: ${ZENCACHE_TEST_GCS:-none}"
    echo "WebDAV: ${ZENCACHE_TEST_WEBDAV:-none}"
}

stop_artifact_servers() {
    local pid
    for pid in "${artifact_server_pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
}
