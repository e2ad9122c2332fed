# syntax=docker/dockerfile:1
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY adapters adapters
COPY simulators simulators
COPY mappings mappings
COPY test/conformance test/conformance
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="MPD gateway" org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production MPD_GATEWAY_CONFIG=/etc/mpd-gateway/gateway.yaml
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY mappings mappings
COPY docs docs
COPY README.md CHANGELOG.md LICENSE ./
COPY docker/gateway.yaml /etc/mpd-gateway/gateway.yaml
RUN ln -s /app/dist/src/cli/bin.js /usr/local/bin/mpd-gateway && chmod 755 /app/dist/src/cli/bin.js \
  && install -d -o node -g node /data /data/products /data/delivered
USER node
WORKDIR /data
VOLUME /data
EXPOSE 8080 61616 61617
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["mpd-gateway"]
CMD ["serve", "--log-format", "json"]
