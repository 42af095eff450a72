import { createHmac } from 'node:crypto'
import { same } from './secret.js'

/** A secret of Standard Webhooks: "whsec_" and base64. The error does not show it. */
export function parseSecret(text) {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text ?? '')?.[1]
  const key = encoded && Buffer.from(encoded, 'base64')
  if (!key || key.length < 16 || key.toString('base64') !== encoded) throw new Error('write whsec_ and at least 16 bytes in base64, as the provider shows it')
  return key
}

/**
 * Returns the id of a webhook that is signed with one of the secrets and not older than tolerance, in seconds; undefined for any other. Several
 * secrets and several signatures are there while a secret is being changed: one pair must fit.
 */
export function verifyWebhook(headers, body, secrets, now, tolerance) {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers.get(`webhook-${name}`) ?? '')
  if (!id || id.length > 256 || !/^\d{1,15}$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > tolerance) return undefined
  let good = false
  for (const secret of secrets) {
    const expected = `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
    for (const signature of signatures.split(' ')) good = same(signature, expected) || good
  }
  return good ? id : undefined
}
