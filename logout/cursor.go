package logout

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrInvalidCursor is the parent of every refusal of a cursor.
var ErrInvalidCursor = errors.New("logout: invalid cursor")

// A cursor reads, in base64 for URLs
//
//	version (1 byte) | number of the last event that was read (8 bytes) | beginning of the SHA-256 of the client's id (4 bytes)
//
// It is no secret and proves nothing; the client's mark is there to notice a mistake.
const (
	cursorVersion = 1
	cursorSize    = 1 + 8 + 4
)

func formatCursor(clientID string, number int64) string {
	raw := binary.BigEndian.AppendUint64([]byte{cursorVersion}, uint64(number)) //nolint:gosec // never negative
	return base64.RawURLEncoding.EncodeToString(append(raw, clientMark(clientID)...))
}

// parseCursor returns the number in a cursor; 0 for the empty one, which stands before everything.
func parseCursor(clientID, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// Both lengths: the decoder passes over line breaks.
	if err != nil || len(raw) != cursorSize || len(cursor) != base64.RawURLEncoding.EncodedLen(cursorSize) {
		return 0, fmt.Errorf("%w: it is not one that an answer had as next; copy that without a change, or begin without a cursor", ErrInvalidCursor)
	}
	number := binary.BigEndian.Uint64(raw[1:9])
	switch {
	case raw[0] != cursorVersion, number > math.MaxInt64:
		return 0, fmt.Errorf("%w: it is of a version that is not known here; begin without a cursor", ErrInvalidCursor)
	case string(raw[9:]) != string(clientMark(clientID)):
		return 0, fmt.Errorf("%w: it is another client's; each client has cursors of its own", ErrInvalidCursor)
	}
	return int64(number), nil
}

func clientMark(clientID string) []byte {
	sum := sha256.Sum256([]byte(clientID))
	return sum[:4]
}
