# One image for every service: `docker run … segur-sandbox up --only insi`.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /opt/segur
COPY requirements/base.lock requirements/base.lock
RUN pip install --require-hashes -r requirements/base.lock
COPY pyproject.toml README.md LICENSE ./
COPY datasets datasets
COPY scenarios scenarios
COPY segur segur
COPY mocks mocks
RUN pip install --no-deps . \
 && python -m compileall -q /usr/local/lib /usr/lib/python3 2>/dev/null; \
    useradd --create-home --uid 10001 segur && mkdir -p /state && chown segur:segur /state
USER segur
VOLUME /state
ENV SEGUR_STATE=/state
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 CMD ["segur-sandbox", "health", "--state", "/state"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["segur-sandbox"]
CMD ["up", "--state", "/state", "--host", "0.0.0.0"]
