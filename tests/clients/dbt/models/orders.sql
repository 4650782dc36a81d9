select id, customer, price from {{ ref('raw_orders') }} where price > 3
