// The one binary. All it does is hand the arguments to cli/.

#include "cli/cli.h"

int main(int argc, char** argv) { return tandem::cli::run(argc, argv); }
