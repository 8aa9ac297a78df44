# docs/container.md says how it is built and run. CI runs its RUN lines in a bare environment (.ci/container).
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY . /src
RUN python3 -m venv /opt/ripfdn
RUN /opt/ripfdn/bin/python -m pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c /src/constraints.txt /src
RUN /opt/ripfdn/bin/ripfdn --version

RUN useradd --create-home ripfdn && install --directory --owner ripfdn --mode 1777 /cache /work
USER ripfdn
ENV RIPFDN_CACHE=/cache
VOLUME ["/cache", "/work"]
WORKDIR /work
ENTRYPOINT ["/opt/ripfdn/bin/ripfdn"]
CMD ["--help"]
