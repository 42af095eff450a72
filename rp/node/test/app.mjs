// The same application twice: by Express, and by fetch-style handlers on Node's own server.
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import expressFramework from 'express'
import { createKit } from '../src/index.js'

export const hello = (user) => (user ? `${user.sub} ${user.claims.name ?? ''} ${user.sid ?? ''}` : 'nobody')

/** Starts an application; resolves to { url, kit, close }. */
export async function startApp(style, config) {
  const server = createServer({ keepAliveTimeout: 0 }) // no race between the pool of fetch and a server that gives up
  await new Promise((resolve) => server.listen(config.port ?? 0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  const kit = createKit({ clientId: 'shop', clientSecret: 'secret', baseUrl: url, allowInsecure: true, log: () => {}, ...config })
  server.on('request', style === 'express' ? withExpress(kit) : withFetch(kit, url))
  return { url, kit, close: () => { server.closeAllConnections(); server.close() } }
}

function withExpress(kit) {
  const app = expressFramework()
  app.use(kit.express.handle)
  app.post('/echo', expressFramework.text(), (req, res) => res.send(req.body))
  app.get('/', kit.express.identify, (req, res) => res.send(hello(req.user)))
  app.get('/page', kit.express.protect, (req, res) => res.send(hello(req.user)))
  return app
}

function withFetch(kit, base) {
  const page = kit.protect((request, user) => new Response(hello(user)))
  const app = async (request) => {
    const own = await kit.handle(request)
    if (own) return own
    const { pathname } = new URL(request.url)
    if (pathname === '/page') return page(request)
    if (pathname === '/echo') return new Response(await request.text())
    return new Response(hello(await kit.user(request)))
  }
  // A fetch-style server on Node, as small as it can be.
  return async (req, res) => {
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    const body = ['GET', 'HEAD'].includes(req.method) ? {} : { body: Buffer.concat(chunks) }
    const response = await app(new Request(base + req.url, { method: req.method, headers: req.headers, ...body }))
    res.writeHead(response.status, [...response.headers].flat())
    if (response.body) Readable.fromWeb(response.body).on('error', () => res.destroy()).pipe(res)
    else res.end()
  }
}

// By itself: an application for whoever examines it. It ends with its input.
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { style, ...config } = JSON.parse(process.argv[2])
  const app = await startApp(style, config)
  console.log(app.url)
  process.stdin.resume().on('end', () => process.exit(0))
}
