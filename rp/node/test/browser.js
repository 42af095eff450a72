import { request } from 'node:http'

// Not fetch: that says sec-fetch-mode cors, and a person who follows a link does not.
function call(url, { method = 'GET', headers = {} }) {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers }, async (res) => {
      let body = ''
      for await (const chunk of res) body += chunk
      const all = new Headers()
      for (let i = 0; i < res.rawHeaders.length; i += 2) all.append(res.rawHeaders[i], res.rawHeaders[i + 1])
      resolve({ status: res.statusCode, headers: all, text: async () => body, at: url })
    })
    req.on('error', reject).end()
  })
}

/** A browser with cookies, one jar for each host and port. */
export class Browser {
  jar = new Map()

  async send(url, { follow = true, headers = {}, ...options } = {}) {
    for (let i = 0; i < 12; i++) {
      const host = new URL(url).host
      const mine = [...(this.jar.get(host) ?? new Map())].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await call(url, { ...options, headers: { accept: 'text/html', ...(mine && { cookie: mine }), ...headers } })
      for (const line of response.headers.getSetCookie()) {
        const [pair, ...rules] = line.split('; ')
        const at = pair.indexOf('=')
        if (!this.jar.has(host)) this.jar.set(host, new Map())
        if (rules.includes('Max-Age=0')) this.jar.get(host).delete(pair.slice(0, at))
        else this.jar.get(host).set(pair.slice(0, at), pair.slice(at + 1))
      }
      if (!follow || response.status < 300 || response.status > 399) return response
      url = new URL(response.headers.get('location'), url).href
      options = {}
    }
    throw new Error('too many redirects')
  }

  async text(url, options) {
    return (await this.send(url, options)).text()
  }
}
