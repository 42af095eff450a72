// What the instances of an application must know together; see index.d.ts for the contract.

/** A store in the memory of one process. What it holds is lost when the process ends. */
export class MemoryStore {
  #kinds = new Map()
  #limit
  #now

  constructor({ limit = 100_000, now = Date.now } = {}) {
    this.#limit = limit
    this.#now = now
  }

  // A flood of one kind of keys, named before the colon, pushes out no other.
  #kind(key) {
    const name = key.slice(0, key.indexOf(':'))
    let kind = this.#kinds.get(name)
    if (!kind) this.#kinds.set(name, (kind = new Map()))
    return kind
  }

  #live(key) {
    const entry = this.#kind(key).get(key)
    return entry && entry.until > this.#now() ? entry : undefined
  }

  async get(key) {
    return this.#live(key)?.value
  }

  async put(key, value, until) {
    const kind = this.#kind(key)
    kind.delete(key)
    for (const [old, entry] of kind) {
      if (kind.size < this.#limit && entry.until > this.#now()) break
      kind.delete(old)
    }
    kind.set(key, { value, until })
  }

  async delete(key) {
    this.#kind(key).delete(key)
  }

  async raise(key, value, until) {
    const entry = this.#live(key)
    if (entry && entry.value >= value) return false
    await this.put(key, value, until)
    return true
  }
}

/** Gives a store without raise one that reads and then writes. */
export function withRaise(store) {
  if (store.raise) return store
  return {
    get: (key) => store.get(key),
    put: (key, value, until) => store.put(key, value, until),
    delete: (key) => store.delete(key),
    async raise(key, value, until) {
      const old = await store.get(key)
      if (old !== undefined && old >= value) return false
      await store.put(key, value, until)
      return true
    },
  }
}
