import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MAX_BODY } from './kit.js'

function headersOf(req) {
  const headers = new Headers()
  for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1])
  return headers
}

// The whole body is read, so that the connection can be used again, and as much of it kept as shows that it is too long.
async function bodyOf(req) {
  const chunks = []
  let length = 0
  for await (const chunk of req) {
    if (length <= MAX_BODY) chunks.push(chunk)
    length += chunk.length
  }
  return Buffer.concat(chunks)
}

async function send(response, res) {
  res.statusCode = response.status
  for (const [name, value] of response.headers) if (name !== 'set-cookie') res.setHeader(name, value)
  const cookies = response.headers.getSetCookie()
  if (cookies.length > 0) res.appendHeader('set-cookie', cookies)
  res.flushHeaders()
  if (!response.body) return res.end()
  // A browser that goes away is no error; the stream hears of it and ends.
  return pipeline(Readable.fromWeb(response.body), res).catch(() => {})
}

/** Middleware for Express, Connect, and Node's own server. */
export function express(kit, baseUrl) {
  const urlOf = (req) => new URL(req.originalUrl ?? req.url, baseUrl)
  const guarded = (guard) => async (req, res, next) => {
    try {
      let passed = false
      const response = await guard(new Request(urlOf(req), { method: req.method, headers: headersOf(req) }), (user) => {
        req.user = user
        passed = true
        return new Response(null)
      })
      if (!passed) return await send(response, res)
      res.setHeader('cache-control', 'no-store')
      return next()
    } catch (error) {
      return next(error)
    }
  }
  return {
    async handle(req, res, next) {
      const url = urlOf(req)
      if (!kit.owns(url.pathname)) return next() // its body belongs to whoever comes next
      try {
        const body = ['GET', 'HEAD'].includes(req.method) ? {} : { body: await bodyOf(req) }
        return await send(await kit.handle(new Request(url, { method: req.method, headers: headersOf(req), ...body })), res)
      } catch (error) {
        return next(error)
      }
    },
    identify: guarded(async (request, pass) => pass(await kit.user(request))),
    protect: guarded((request, pass) => kit.protect((_, user) => pass(user))(request)),
  }
}
