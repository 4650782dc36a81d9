# The server, the worker and the command line in one image; `docker-compose.yml` says who is which.
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY registry registry
COPY policies policies
COPY templates templates
COPY alembic alembic
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .
# The lock covers every extra, those of the tests too. As a constraint it pins and hashes what the
# wheel asks for and installs nothing else; the wheel itself is named with its own hash.
COPY requirements.lock ./
RUN wheel=$(ls /wheel/*.whl) \
 && hash=$(sha256sum "$wheel" | cut --delimiter=" " --fields=1) \
 && echo "lineage-registry[postgres] @ file://$wheel --hash=sha256:$hash" > /wheel/requirements.txt \
 && python -m venv /opt/registry \
 && /opt/registry/bin/pip install --no-cache-dir --require-hashes \
      --constraint requirements.lock --requirement /wheel/requirements.txt

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/registry registry \
 && install --directory --owner registry --group registry --mode 0700 /var/lib/registry
COPY --from=build /opt/registry /opt/registry
ENV PATH=/opt/registry/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    REGISTRY_HOME=/var/lib/registry
USER registry
WORKDIR /var/lib/registry
EXPOSE 8400
ENTRYPOINT ["registry"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8400"]
