// The program that the spawner of jobs and their supervisors are: small, so that a fork of it costs little. It is linked by
// itself and carried within the library (spawner_image.hpp).
#include <cstdlib>

#include "actors/backends/spawn_jobs.hpp"

/// The numbers of the folder of all jobs and of the socket are its arguments.
int main(int count, char** arguments) {
  if (count != 3) return 2;
  perdure::actors::spawn_jobs(std::atoi(arguments[1]), std::atoi(arguments[2]));
}
