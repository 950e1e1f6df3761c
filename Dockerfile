# mockhub serve in a container. Build: docker build -t mockhub .   Run: docker run --rm -p 8080:8080 mockhub
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements.txt ./
RUN python3 -m venv /opt/mockhub \
    && /opt/mockhub/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY . .
RUN /opt/mockhub/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/mockhub/bin/python -m pip uninstall --yes --disable-pip-version-check \
        hatchling editables pathspec pluggy tomlkit trove-classifiers packaging setuptools pip

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/mockhub /opt/mockhub
ENV PATH=/opt/mockhub/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MOCKHUB_HOST=0.0.0.0 \
    MOCKHUB_PORT=8080 \
    MOCKHUB_PUBLIC_URL=http://127.0.0.1:8080 \
    MOCKHUB_CONTROL=0
USER 65534:65534
WORKDIR /tmp
EXPOSE 8080
# A request of the API: the control plane, with /_mockhub/health, is off unless MOCKHUB_CONTROL=1 and MOCKHUB_CONTROL_TOKEN are set.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['MOCKHUB_PORT'] + '/api/v1/models', timeout=2)"]
ENTRYPOINT ["mockhub"]
CMD ["serve"]
