import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits. */
export const newSecret = () => randomBytes(32).toString('base64url')

/** Names something of a kind by its parts, and shows none of them to a reader of the store. */
export function storeKey(kind, ...parts) {
  const sum = createHash('sha256')
  for (const part of parts) {
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(part)))
    sum.update(length).update(part)
  }
  return `${kind}:${sum.digest('hex')}`
}

/** Derives one of an attempt's values from its seed. */
export const derive = (seed, purpose) => createHmac('sha256', seed).update(purpose).digest('base64url')

export function same(a, b) {
  const [x, y] = [a, b].map((text) => createHash('sha256').update(String(text)).digest())
  return timingSafeEqual(x, y)
}

const keyOf = (cookie) => Buffer.from(hkdfSync('sha256', cookie, '', 'exeunt rp session', 32))

/** Encrypts a session for whoever has its cookie. */
export function seal(cookie, value) {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keyOf(cookie), nonce)
  const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
}

/** Opens what seal made; undefined for anything else. */
export function unseal(cookie, sealed) {
  try {
    const bytes = Buffer.from(sealed, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', keyOf(cookie), bytes.subarray(0, 12))
    decipher.setAuthTag(bytes.subarray(12, 28))
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString())
  } catch {
    return undefined
  }
}
