// wit_component is the name that the generated bindings import each other by.
module wit_component

go 1.26

require go.bytecodealliance.org/pkg v0.4.0

// The copy that comes with the bindings' generator.
replace go.bytecodealliance.org/pkg => ./pkg
