package identity

import (
	"math"
	"net/netip"
)

// Place is where a network address is, as far as a database of such places knows. The zero value is "nobody knows".
type Place struct {
	Country   string  // ISO 3166-1 alpha-2; empty when unknown
	City      string  // in English; empty when unknown
	Latitude  float64 // degrees
	Longitude float64 // degrees
	Located   bool    // latitude and longitude are known
}

// Places looks network addresses up.
type Places interface {
	// Place returns where an address is; the zero Place when nobody knows.
	Place(address netip.Addr) Place
}

// String returns the place in words, such as "Oxford, GB"; empty when it is unknown.
func (p Place) String() string {
	switch {
	case p.City == "":
		return p.Country
	case p.Country == "":
		return p.City
	}
	return p.City + ", " + p.Country
}

// earthRadius is the mean one, in kilometres.
const earthRadius = 6371

// Distance returns the length of the shortest way over the ground between two places, in kilometres; 0 when one of them is not located.
func (p Place) Distance(q Place) float64 {
	if !p.Located || !q.Located {
		return 0
	}
	radians := func(degrees float64) float64 { return degrees * math.Pi / 180 }
	dLat, dLong := radians(q.Latitude-p.Latitude), radians(q.Longitude-p.Longitude)
	// The haversine formula. Rounding may take a hair more than 1 out of antipodes.
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(radians(p.Latitude))*math.Cos(radians(q.Latitude))*math.Pow(math.Sin(dLong/2), 2)
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}
