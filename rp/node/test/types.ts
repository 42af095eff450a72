// Compiled, not run: the types fit what a TypeScript application writes.
import { createServer } from 'node:http'
import { createKit, MemoryStore, type Store, type User } from '../src/index.js'

const store: Store = new MemoryStore({ limit: 10 })
const kit = createKit({ issuer: 'https://id.example.com', clientId: 'shop', baseUrl: 'https://shop.example.com', store })
const page = kit.protect((request, user: User) => new Response(`${request.url} ${user.sub}`))
export const handler = async (request: Request): Promise<Response> => (await kit.handle(request)) ?? page(request)
createServer((req, res) => void kit.express.handle(req, res, () => void kit.express.protect(req, res, () => res.end())))
const guard = kit.bearer({ scopes: ['read'] })
export const api = guard.protect((_request, user: User, id: number) => new Response(`${user.sub} ${id}`))
const events = kit.events({ secrets: ['whsec_x'], handle: async (event) => console.log(event.type, event.occurredAt.getTime()) })
export const webhook = (request: Request): Promise<Response> => events.receive(request)
void events.pull(new AbortController().signal)
createServer((req, res) => void kit.express.bearer(guard)(req, res, () => void kit.express.events(events)(req, res, () => res.end())))
// @ts-expect-error scopes is a list
kit.bearer({ scopes: 'read' })
// @ts-expect-error clientId is missing
createKit({ issuer: 'https://id.example.com', baseUrl: 'https://shop.example.com' })
