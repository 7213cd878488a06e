/** Python funboost's names of our options. */

/** Whoever comes from Python funboost types these. */
export const pythonNames: Readonly<Record<string, string>> = {
  queue_name: "queue",
  broker_kind: "broker",
  broker_exclusive_config: "brokerOptions",
  concurrent_num: "concurrency",
  pull_msg_batch_size: "prefetch",
  max_retry_times: "maxRetries",
  advanced_retry_config: "backoff",
  is_push_to_dlx_queue_when_retry_max_times: "deadLetter",
  function_timeout: "timeout",
  msg_expire_seconds: "expireAfter",
  is_using_rpc_mode: "rpc",
  manual_func_input_params: "params",
  log_level: "log",
  specify_concurrent_pool: "pool",
  is_using_distributed_frequency_control: "qpsScope",
  do_task_filtering: "filter",
  function_result_status_persistance_conf: "record",
  consumer_override_cls: "use",
  publisher_override_cls: "usePublish",
  _user_convert_msg_before_run: "convert",
  task_id: "taskId",
  countdown: "delay",
  misfire_grace_time: "misfireGrace",
};
