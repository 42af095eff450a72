// Package place tells where network addresses are, by a database that the operator has got from somewhere: a file in the MaxMind DB format 2.0
// with the members of MaxMind's GeoLite2 City or Country, which others provide too.
package place

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// Database is an open file. Safe for concurrent use.
type Database struct{ reader *maxminddb.Reader }

// Open opens a file. It must hold places: a database of networks and their owners, say, is refused.
func Open(path string) (*Database, error) {
	reader, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s is not a MaxMind DB file that can be read: %w", path, err)
	}
	if kind := reader.Metadata.DatabaseType; !strings.Contains(kind, "City") && !strings.Contains(kind, "Country") && !strings.Contains(kind, "Location") {
		_ = reader.Close()
		return nil, fmt.Errorf("%s holds %q, not places; use a City or Country database", path, kind)
	}
	return &Database{reader: reader}, nil
}

// Close closes the file.
func (d *Database) Close() error { return d.reader.Close() }

// record is what is read of an entry.
type record struct {
	City struct {
		Names map[string]string `maxminddb:"names"`
	} `maxminddb:"city"`
	Country struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

// Place implements identity.Places. An entry that cannot be read is one that is not there: nobody is kept from logging in by it.
func (d *Database) Place(address netip.Addr) identity.Place {
	var r record
	if err := d.reader.Lookup(address).Decode(&r); err != nil {
		return identity.Place{}
	}
	p := identity.Place{Country: r.Country.ISOCode, City: r.City.Names["en"]}
	if lat, long := r.Location.Latitude, r.Location.Longitude; lat != nil && long != nil {
		p.Latitude, p.Longitude, p.Located = *lat, *long, true
	}
	return p
}
