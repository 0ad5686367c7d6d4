# One image a kind of process: `web` (also beat, cpu and llm workers) carries no models, `gpu` adds torch and the encoders.
FROM python:3.11-slim-bookworm AS web
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN useradd --create-home --uid 1000 itembank && mkdir /data && chown itembank /data
COPY requirements/ requirements/
RUN pip install -r requirements/base.txt
COPY --chown=itembank . .
ENV ITEMBANK_MODE=production ITEMBANK_HOME=/data STATIC_ROOT=/app/staticfiles
# Static files need no secret and no server; the values below end with this layer.
RUN SECRET_KEY=build ALLOWED_HOSTS=build DATABASE_URL=postgresql://build/build CELERY_BROKER_URL=redis://build \
    python manage.py collectstatic --no-input
USER itembank
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "itembank.wsgi", "--bind", "0.0.0.0:8000", "--workers", "4", "--worker-class", "gthread", "--threads", "8", \
    "--limit-request-line", "8190", "--logger-class", "itembank.web_logs.WebLogger"]

FROM web AS gpu
USER root
RUN pip install -r requirements/gpu.txt
USER itembank
CMD ["python", "manage.py", "worker", "gpu"]
