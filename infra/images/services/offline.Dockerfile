# The reference services on the offline Python; a change of theirs rebuilds this one layer.
FROM heavyweather/python:offline
COPY services /app/services
WORKDIR /app
USER services
