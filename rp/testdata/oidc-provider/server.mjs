// node-oidc-provider as others run it, for one client. It prints its issuer when it is ready.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const client = JSON.parse(process.argv[2])
const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [client],
    cookies: { keys: ['a key of the test'] },
    claims: { openid: ['sub'], profile: ['name'] },
    findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, name: 'Alice Doe' }) }),
    features: { backchannelLogout: { enabled: true }, introspection: { enabled: true } },
    // Its own guard refuses loopback addresses, where the application of the test is.
    fetch: (url, options = {}) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.resume().on('end', () => process.exit(0))
