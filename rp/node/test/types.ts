// Compiled, not run: the types fit what a TypeScript application writes.
import { createServer } from 'node:http'
import { createKit, MemoryStore, type Store, type User } from '../src/index.js'

const store: Store = new MemoryStore({ limit: 10 })
const kit = createKit({ issuer: 'https://id.example.com', clientId: 'shop', baseUrl: 'https://shop.example.com', store })
const page = kit.protect((request, user: User) => new Response(`${request.url} ${user.sub}`))
export const handler = async (request: Request): Promise<Response> => (await kit.handle(request)) ?? page(request)
createServer((req, res) => void kit.express.handle(req, res, () => void kit.express.protect(req, res, () => res.end())))
// @ts-expect-error clientId is missing
createKit({ issuer: 'https://id.example.com', baseUrl: 'https://shop.example.com' })
