package provider

import "context"

// Sign returns payload as a compact JWS under the provider's active key for alg, with the headers alg, kid and, unless it is empty, typ. It
// is for examining relying parties with tokens like those that they get; what it signs is as good as what the provider signs.
func (o *Operator) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	return o.keyring.Sign(ctx, alg, typ, payload)
}
