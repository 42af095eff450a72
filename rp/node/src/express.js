import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MAX_EVENT } from './events.js'
import { MAX_BODY } from './kit.js'

function headersOf(req) {
  const headers = new Headers()
  for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1])
  return headers
}

// The whole body is read, so that the connection can be used again, and as much of it kept as shows that it is too long.
async function bodyOf(req, limit) {
  const chunks = []
  let length = 0
  for await (const chunk of req) {
    if (length <= limit) chunks.push(chunk)
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

const urlOf = (req, baseUrl) => new URL(req.originalUrl ?? req.url, baseUrl)

async function requestOf(req, baseUrl, limit) {
  const body = ['GET', 'HEAD'].includes(req.method) ? {} : { body: await bodyOf(req, limit) }
  return new Request(urlOf(req, baseUrl), { method: req.method, headers: headersOf(req), ...body })
}

/** Middleware that a guard lets pass, or answers. guard is given the request and what makes it pass. */
function guarded(guard, baseUrl) {
  return async (req, res, next) => {
    try {
      let passed = false
      const response = await guard(new Request(urlOf(req, baseUrl), { method: req.method, headers: headersOf(req) }), (user) => {
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
}

/** A handler of what fetch-style code answers alone. */
function answered(answer, baseUrl, limit) {
  return async (req, res, next) => {
    try {
      return await send(await answer(await requestOf(req, baseUrl, limit)), res)
    } catch (error) {
      return next(error)
    }
  }
}

/** Middleware for Express, Connect, and Node's own server. */
export function express(kit, baseUrl) {
  const own = answered((request) => kit.handle(request), baseUrl, MAX_BODY)
  return {
    // The body of any other request belongs to whoever comes next.
    handle: async (req, res, next) => (kit.owns(urlOf(req, baseUrl).pathname) ? own(req, res, next) : next()),
    identify: guarded(async (request, pass) => pass(await kit.user(request)), baseUrl),
    protect: guarded((request, pass) => kit.protect((_, user) => pass(user))(request), baseUrl),
    bearer: (bearer) => guarded((request, pass) => bearer.protect((_, user) => pass(user))(request), baseUrl),
    events: (events) => answered((request) => events.receive(request), baseUrl, MAX_EVENT),
  }
}
