// Requests are read and answered with these.

/** A path of this application, and nothing else in any browser. */
export function isLocal(address) {
  // eslint-disable-next-line no-control-regex
  return typeof address === 'string' && address.length <= 1024 && /^\/(?!\/)[^\\\u0000-\u001f\u007f]*$/.test(address)
}

export function cookies(request) {
  const all = {}
  for (const pair of (request.headers.get('cookie') ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0) all[pair.slice(0, at).trim()] = pair.slice(at + 1).trim()
  }
  return all
}

export function text(status, body, headers) {
  const all = new Headers(headers)
  if (!all.has('cache-control')) all.set('cache-control', 'no-store')
  all.set('content-type', 'text/plain; charset=utf-8')
  all.set('x-content-type-options', 'nosniff')
  return new Response(body, { status, headers: all })
}

export function script(body) {
  return new Response(body, { headers: { 'content-type': 'text/javascript; charset=utf-8', 'x-content-type-options': 'nosniff', 'cache-control': 'max-age=3600' } })
}

export function redirect(to, headers) {
  const all = new Headers(headers)
  all.set('location', to)
  all.set('cache-control', 'no-store')
  return new Response(null, { status: 303, headers: all })
}
