# wxsyncd in a container. Wheels in wheels/ (as in the release archive) are used without any network:
#   docker build -t wxsyncd .
#   docker build -t wxsyncd --build-arg BASE=a.mirror.example/library/python:3.12-slim .
# Without wheels pip fetches the locked one, from --build-arg PIP_INDEX_URL=… where PyPI is out of reach.
ARG BASE=docker.io/library/python:3.12-slim

FROM ${BASE} AS packages
ARG PIP_INDEX_URL
WORKDIR /packages
# The lock file is named so that the pattern may match nothing.
COPY systemd/pycryptodome.lock wheels* ./
RUN set -eu; \
    wheel=$(find . -name "pycryptodome-*-manylinux*_$(uname -m).whl" | head -n 1); \
    if [ -n "$wheel" ]; then \
        grep -q "sha256:$(sha256sum "$wheel" | cut -d' ' -f1)" pycryptodome.lock || { echo "$wheel: wrong sha256"; exit 1; }; \
        python3 -m zipfile -e "$wheel" vendor; \
    else \
        python3 -m pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: --target vendor \
            -r pycryptodome.lock; \
    fi; \
    rm -r vendor/Crypto/SelfTest
COPY wxsyncd.py LICENSE app/
COPY wxsync app/wxsync
RUN mv vendor app/vendor && python3 -m compileall -q app/wxsync app/vendor && chmod -R u=rwX,go=rX app

FROM ${BASE}
# Midnight empties images.txt: whose midnight. The base must know the zone and the public certificate authorities.
ENV TZ=Asia/Shanghai
RUN set -eu; test -e "/usr/share/zoneinfo/$TZ" || { echo "the base image has no tzdata"; exit 1; }; \
    test -s /etc/ssl/certs/ca-certificates.crt || { echo "the base image has no ca-certificates"; exit 1; }; \
    mkdir -m 0700 /var/lib/wxsyncd; chown 10001:10001 /var/lib/wxsyncd
COPY --from=packages /packages/app /opt/wxsyncd
ENV STATE_DIRECTORY=/var/lib/wxsyncd
VOLUME /var/lib/wxsyncd
WORKDIR /var/lib/wxsyncd
USER 10001:10001
EXPOSE 3000 8502
STOPSIGNAL SIGTERM
# The daemon tells where it listens; the last one is the admin listener, which is always there.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["python3", "-I", "-c", "\
import http.client, json, sys; \
place = json.load(open('/var/lib/wxsyncd/listeners.json'))['listeners'][-1]; \
link = http.client.HTTPConnection(place['host'], place['port'], timeout=8); \
link.request('GET', '/health'); \
sys.exit(link.getresponse().status != 200)"]
ENTRYPOINT ["python3", "-I", "/opt/wxsyncd/wxsyncd.py"]
CMD ["run"]
