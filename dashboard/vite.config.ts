import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Beside every text file its compressed form: the API serves files as they are. */
function compressed(directory: string): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
        if (/\.(js|css|svg)$/.test(name)) {
          const path = join(directory, name);
          writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        }
      }
    },
  };
}

export default defineConfig({
  base: "/dashboard/",
  plugins: [react(), compressed("dist")],
  build: {
    // A data: URL would have to be allowed by the policy; every asset is a file of ours.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    rolldownOptions: { input: ["index.html", "docs.html"] },
    // The API's documentation is one large part, and loads only there.
    chunkSizeWarningLimit: 1600,
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:8000",
      "/graphql": { target: "http://127.0.0.1:8000", ws: true },
    },
  },
});
