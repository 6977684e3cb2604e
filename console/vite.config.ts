import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `npm run dev` in front of a server: its address, if it is not the usual one.
const server = process.env.FANFARE_URL ?? 'http://127.0.0.1:4433';

export default defineConfig({
  base: './',
  plugins: [react()],
  // The client is linked from its folder, where its tests have a React of their own.
  resolve: { dedupe: ['react', 'react-dom'] },
  server: {
    port: 5173,
    // By the server's own name, so that it tells its own port for QUIC.
    proxy: { '/api': { target: server, changeOrigin: true }, '/ws': { target: server, ws: true, changeOrigin: true } },
  },
  build: {
    target: 'es2023',
    // Nothing is inlined as data: URLs, which a strict content security policy refuses.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    rollupOptions: {
      output: {
        // Some servers do not know the type of .mjs and .geojson.
        assetFileNames: ({ names }) =>
          `assets/[name]-[hash]${names[0]?.endsWith('.mjs') ? '.js' : names[0]?.endsWith('.geojson') ? '.json' : '[extname]'}`,
      },
    },
  },
});
