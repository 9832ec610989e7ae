# A model as a service: docs/serve.md.
#
#   docker build -t scanlearn-serve .
#   docker run --rm -p 8000:8000 --user "$(id -u)" -v "$PWD/runs/price:/model:ro" scanlearn-serve
FROM python:3.12-slim

WORKDIR /app
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY jobs jobs
COPY drivers drivers
RUN pip install --no-cache-dir '.[serve]' && rm -rf /app/*

RUN useradd --system --uid 10001 --no-create-home scanlearn
USER scanlearn
# matplotlib and its like are not imported by the service; nothing is written.
ENV PYTHONDONTWRITEBYTECODE=1 PORT=8000
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health\", timeout=2)"]

# One process: more of them are more containers.
ENTRYPOINT ["python", "-m", "drivers.serve"]
CMD ["/model/model.json", "--host", "0.0.0.0"]
