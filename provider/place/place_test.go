package place_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/place"
)

// The types of the MaxMind DB File Format 2.0 that the test writes.
const (
	typeString, typeDouble, typeUint16, typeUint32, typeMap = 2, 3, 5, 6, 7
	typeUint64, typeArray                                   = 9, 11
)

type pair struct {
	name  string
	value any
}

// encode writes a value of the data section.
func encode(b *bytes.Buffer, v any) {
	control := func(kind, size int) {
		if kind > 7 {
			b.WriteByte(byte(size))
			b.WriteByte(byte(kind - 7))
			return
		}
		b.WriteByte(byte(kind<<5 | size))
	}
	switch v := v.(type) {
	case string: // shorter than 29 bytes
		control(typeString, len(v))
		b.WriteString(v)
	case float64:
		control(typeDouble, 8)
		_ = binary.Write(b, binary.BigEndian, math.Float64bits(v))
	case uint16:
		control(typeUint16, 2)
		_ = binary.Write(b, binary.BigEndian, v)
	case uint32:
		control(typeUint32, 4)
		_ = binary.Write(b, binary.BigEndian, v)
	case uint64:
		control(typeUint64, 8)
		_ = binary.Write(b, binary.BigEndian, v)
	case []string:
		control(typeArray, len(v))
		for _, item := range v {
			encode(b, item)
		}
	case []pair:
		control(typeMap, len(v))
		for _, p := range v {
			encode(b, p.name)
			encode(b, p.value)
		}
	}
}

// write writes a database of one IPv4 network that is n bits long.
func write(t *testing.T, kind, network string, entry []pair) string {
	t.Helper()
	prefix := netip.MustParsePrefix(network)
	nodes, address := prefix.Bits(), prefix.Addr().As4()
	var file bytes.Buffer
	for i := range nodes { // one node for each bit; the other way leads nowhere
		records := [2]int{nodes, nodes}
		next := i + 1
		if next == nodes {
			next = nodes + 16 // the first entry of the data section
		}
		records[address[i/8]>>(7-i%8)&1] = next
		for _, r := range records {
			file.Write([]byte{byte(r >> 16), byte(r >> 8), byte(r)})
		}
	}
	file.Write(make([]byte, 16))
	encode(&file, entry)
	file.WriteString("\xab\xcd\xefMaxMind.com")
	encode(&file, []pair{
		{"binary_format_major_version", uint16(2)},
		{"binary_format_minor_version", uint16(0)},
		{"build_epoch", uint64(1_700_000_000)},
		{"database_type", kind},
		{"description", []pair{{"en", "A test"}}},
		{"ip_version", uint16(4)},
		{"languages", []string{"en"}},
		{"node_count", uint32(nodes)},
		{"record_size", uint16(24)},
	})
	path := filepath.Join(t.TempDir(), "places.mmdb")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var oxford = []pair{
	{"city", []pair{{"names", []pair{{"de", "Ochsenfurt"}, {"en", "Oxford"}}}}},
	{"country", []pair{{"iso_code", "GB"}}},
	{"location", []pair{{"latitude", 51.75}, {"longitude", -1.25}}},
}

func TestPlace(t *testing.T) {
	db, err := place.Open(write(t, "GeoLite2-City", "192.0.2.0/24", oxford))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for address, want := range map[string]identity.Place{
		"192.0.2.7":   {City: "Oxford", Country: "GB", Latitude: 51.75, Longitude: -1.25, Located: true},
		"192.0.3.7":   {},
		"2001:db8::1": {},
		"fe80::1%lo":  {},
	} {
		if got := db.Place(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}
	if got := db.Place(netip.Addr{}); got != (identity.Place{}) {
		t.Errorf("no address: %+v", got)
	}
	country, err := place.Open(write(t, "DBIP-Country-Lite", "192.0.2.0/24", oxford[1:2]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = country.Close() })
	if got := country.Place(netip.MustParseAddr("192.0.2.7")); got != (identity.Place{Country: "GB"}) || got.String() != "GB" {
		t.Errorf("without coordinates: %+v", got)
	}
}

func TestOpen(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		write(t, "GeoLite2-ASN", "192.0.2.0/24", oxford): `"GeoLite2-ASN", not places`,
		text:                                  "is not a MaxMind DB file",
		filepath.Join(t.TempDir(), "nothing"): "is not a MaxMind DB file",
	} {
		if _, err := place.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
