// bindings.cron: an event whenever its schedule says so, with readTimeUTC and timeZone as metadata and no data.
//
// An event that an app is still at does not hold up the next one; past a hundred of them events are left out, and the
// log says so. The executor's clock wakes it: a schedule by the clock follows a change of the machine's time within
// half a minute. read() and the end of a reading from any thread; events come on the executor, which outlives every
// reading.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/bindings/input_binding.h"
#include "components/bindings/cron/cron_schedule.h"

namespace tandem::components {

class CronBinding final : public bindings::InputBinding {
 public:
  static constexpr int kMaxUnderWay = 100;  // events of one reading

  // `log`, when given, outlives every reading. Fails with kInvalidArgument when `schedule` is none.
  static Result<std::unique_ptr<CronBinding>> make(std::string name, std::string_view schedule, TimedExecutor& timers,
                                                   const Logger* log);

  Result<std::unique_ptr<Reading>> read(std::string app_id, bindings::EventHandler handler) override;

 private:
  class Ticker;
  class Handle;

  CronBinding(std::string name, CronSchedule schedule, TimedExecutor& timers, const Logger* log);

  const std::string name_;
  const CronSchedule schedule_;
  TimedExecutor& timers_;
  const Logger* const log_;
};

}  // namespace tandem::components
