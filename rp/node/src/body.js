/** A body is longer than it may be. */
export class TooLongError extends Error {}

/** Reads a body as far as it may be long. */
export async function limited(body, limit) {
  const chunks = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > limit) throw new TooLongError('the body is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
